-- one row more per unit whose known row of an id is replaced by an earlier one, or that has the earlier one
insert into moved
(
    select known_row.unit_id from repeats where new_row < known_row
    union
    select new_row.unit_id from repeats where new_row < known_row
)
except
select unit_id from moved
