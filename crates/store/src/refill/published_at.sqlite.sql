-- As published_at.sql. CROSS JOIN, so that the index is looked into for each that is wanted, whatever the planner guesses.
SELECT published_events.*
FROM json_each($1) AS wanted
CROSS JOIN published_events
    ON published_events.partition_key = wanted.value ->> 0 AND published_events.create_time = wanted.value ->> 1
WHERE published_events.topic = $2
