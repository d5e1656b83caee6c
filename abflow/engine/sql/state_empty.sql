-- no row yet; one column per total
select
    cast(null as varchar) as unit_id,
    {'entered': cast(null as timestamp), 'variant': cast(null as varchar), 'propensity': cast(null as double), 'context': {context}} as entry,
    cast(null as varchar) as lowest_variant,
    cast(null as varchar) as highest_variant{totals}
limit 0
