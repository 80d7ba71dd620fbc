UPDATE dead_letters
SET state = acts.action, update_time = acts.create_time
FROM (
    SELECT
        unhex(value ->> 'letter_id') AS letter_id, value ->> 'action' AS action, value ->> 'create_time' AS create_time
    FROM json_each($1)
) AS acts
WHERE dead_letters.letter_id = acts.letter_id
