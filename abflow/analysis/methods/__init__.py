"""How each method turns a comparison into a word: one module per row of the table of words."""
