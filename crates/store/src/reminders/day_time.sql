INSERT INTO reminder_users (user_id, sequence, all_day_minutes) VALUES ($1, $2, $3)
ON CONFLICT (user_id) DO UPDATE SET sequence = EXCLUDED.sequence, all_day_minutes = EXCLUDED.all_day_minutes
WHERE reminder_users.sequence < EXCLUDED.sequence
