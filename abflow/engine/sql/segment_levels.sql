-- one row per level of a segment that is told apart: the largest, of equal ones the first by name
select {value} as level
from units
where enrolled and {value} <> ''
group by {value}
order by count(*) desc, {value}
limit $levels
