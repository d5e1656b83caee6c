-- one row per thing that an exposure says of its unit besides the variant, in the order in which they are compared
select propensity, context
from (select distinct propensity, context from exposure_sorts where experiment_id = $experiment) as sayings
order by {'propensity': propensity, 'context': context}
limit $limit
