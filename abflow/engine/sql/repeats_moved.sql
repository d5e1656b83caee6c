-- one row more per unit whose row of an id counts no longer, or that has the one that counts in its place
insert into moved
(
    select known_row.unit_id from repeats where known_row is not null and (new_row is null or new_row < known_row)
    union
    select new_row.unit_id from repeats where new_row < known_row
)
except
select unit_id from moved
