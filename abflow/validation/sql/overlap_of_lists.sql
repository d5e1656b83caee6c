-- overlap_of_lists.sql: one row; share of the (at most ten) first items that both lists have, two empty lists agree
with compared as (
    select
        case
            when greatest(len(production_list), len(shadow_list)) = 0 then 1.0
            else len(list_intersect(production_list, shadow_list))
                / greatest(len(list_distinct(production_list)), len(list_distinct(shadow_list)))
        end as overlap
    from pairs
)
select count(*) as pairs, avg(overlap)::double as mean, coalesce(stddev_samp(overlap), 0)::double as sd
from compared
