INSERT INTO reminder_users (user_id, sequence)
SELECT user_id, 0 FROM unnest($1::text[]) AS users (user_id) ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET sequence = reminder_users.sequence
RETURNING user_id, sequence, all_day_minutes
