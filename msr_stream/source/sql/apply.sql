-- What `source prepare` runs around the plan.

-- name: quiet
-- The event triggers have nothing to do in this transaction
SET LOCAL msr_capture.busy = 'on'

-- name: limit
-- Waiting for a lock would make the application wait behind it
SET LOCAL lock_timeout = '5s'

-- name: path
-- The names below are the catalog's, whatever the application has called its own
SET LOCAL search_path = pg_catalog, pg_temp

-- name: wait
-- Waits for transactions that created or altered a table before the event triggers were there: their tables are not
-- visible yet, and publishing their schemas now would let UPDATEs of theirs fail
DO $$
DECLARE
    holders text[];
    tries int := 100;
BEGIN
    SELECT array_agg(DISTINCT l.virtualtransaction) INTO holders
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.granted
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND l.pid IS DISTINCT FROM pg_backend_pid();
    WHILE EXISTS (SELECT FROM pg_locks l WHERE l.mode = 'AccessExclusiveLock' AND l.virtualtransaction = ANY (holders)) LOOP
        IF tries = 0 THEN
            RAISE EXCEPTION 'a transaction that creates or alters tables has not finished (process %)',
                (SELECT string_agg(DISTINCT coalesce(l.pid::text, 'none, prepared'), ', ') FROM pg_locks l
                 WHERE l.mode = 'AccessExclusiveLock' AND l.virtualtransaction = ANY (holders))
                USING ERRCODE = 'lock_not_available';
        END IF;
        tries := tries - 1;
        PERFORM pg_sleep(0.1);
    END LOOP;
END
$$
