UPDATE reminders
SET armed_by = $2
FROM json_each($1) AS named
WHERE reminders.task_id = unhex(named.value ->> 0) AND reminders.number = named.value ->> 1
    AND reminders.state = 'PENDING' AND reminders.generation = named.value ->> 2
