-- drift_of_labels.sql: one row per label, production's most frequent first; a list goes by its first item
with seen as (
    select coalesce(production_list[1], production_number::varchar, production) as label, 1 as production, 0 as shadow
    from pairs
    union all
    select coalesce(shadow_list[1], shadow_number::varchar, shadow), 0, 1
    from pairs
)
select label, sum(production)::bigint as production, sum(shadow)::bigint as shadow
from seen
group by label
order by production desc, shadow desc, label
