"""What people read: the scorecard page and its few lines for the terminal."""
