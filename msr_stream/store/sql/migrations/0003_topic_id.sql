-- The broker's id of a topic tells one made anew, whatever its log holds.
ALTER TABLE shard ADD COLUMN topic_id text;
COMMENT ON COLUMN shard.topic_id IS 'The broker''s id of the topic that was recorded; null: it gives none, or nothing is recorded of it yet';
