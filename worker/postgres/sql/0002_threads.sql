-- Threads that others were copied from, and the thread index.

ALTER TABLE thread_items ADD origin_thread_id text COLLATE "C";
ALTER TABLE thread_turns ADD origin_thread_id text COLLATE "C";

CREATE TABLE threads (
    thread_id text COLLATE "C" NOT NULL PRIMARY KEY,
    parent_thread_id text COLLATE "C",
    forked_from_id text COLLATE "C",
    kind text NOT NULL,
    history_mode text NOT NULL,
    cwd text,
    model text,
    cli_version text,
    git jsonb,
    title text,
    name text,
    created_at_ms bigint,
    last_activity_at_ms bigint,
    turns bigint NOT NULL,
    inherited_turns bigint NOT NULL,
    rolled_back_turns bigint NOT NULL,
    last_turn_status text,
    items jsonb NOT NULL,
    inherited_items bigint NOT NULL,
    open_items bigint NOT NULL,
    tokens_used jsonb,
    parked boolean NOT NULL,
    generation bigint NOT NULL,
    -- The thread's sequence when the row was written; it shows every mutation up to it.
    sequence bigint NOT NULL,
    source_topic text NOT NULL,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    source_index integer NOT NULL,
    source_ordinal bigint,
    source_timestamp_ms bigint,
    schema_version integer NOT NULL,
    reducer_version integer NOT NULL
);
CREATE INDEX threads_by_activity ON threads (last_activity_at_ms DESC NULLS LAST);
CREATE INDEX threads_by_parent ON threads (parent_thread_id) WHERE parent_thread_id IS NOT NULL;
