-- What the sink itself must remember.

CREATE TABLE thread_sink (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- Names the consumer group of the processes that fill these tables: other tables, another group.
    id uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO thread_sink DEFAULT VALUES;

CREATE TABLE thread_progress (
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    -- Kafka's id of the topic: one that was deleted and made anew has another.
    topic_id text NOT NULL,
    -- The offset to read next; moves in the same transaction as the rows.
    next_offset bigint NOT NULL,
    -- When the partition was last read to its end, or at least further.
    read_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
);

-- One row for each row of the topics. Ids compare by bytes: faster than by language, and no index depends on the
-- machine's collation.

CREATE TABLE thread_items (
    thread_id text COLLATE "C" NOT NULL,
    turn_id text COLLATE "C" NOT NULL,
    item_key text COLLATE "C" NOT NULL,
    turn_ordinal bigint NOT NULL,
    item_position bigint NOT NULL,
    item_ordinal bigint NOT NULL,
    item_type text NOT NULL,
    is_open boolean NOT NULL,
    inherited boolean NOT NULL,
    created_at_ms bigint,
    updated_at_ms bigint,
    original_bytes bigint,
    item jsonb NOT NULL,
    generation bigint NOT NULL,
    sequence bigint NOT NULL,
    topic_sequence bigint NOT NULL,
    source_topic text NOT NULL,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    source_index integer NOT NULL,
    source_ordinal bigint,
    source_timestamp_ms bigint,
    schema_version integer NOT NULL,
    reducer_version integer NOT NULL,
    PRIMARY KEY (thread_id, turn_id, item_key)
);
CREATE INDEX thread_items_by_position ON thread_items (thread_id, turn_ordinal, item_position);
CREATE INDEX thread_items_by_change ON thread_items (thread_id, generation, sequence);

CREATE TABLE thread_turns (
    thread_id text COLLATE "C" NOT NULL,
    turn_id text COLLATE "C" NOT NULL,
    turn_ordinal bigint NOT NULL,
    status text NOT NULL,
    started_at bigint,
    completed_at bigint,
    duration_ms bigint,
    error jsonb,
    summary_items jsonb NOT NULL,
    inherited boolean NOT NULL,
    generation bigint NOT NULL,
    sequence bigint NOT NULL,
    topic_sequence bigint NOT NULL,
    source_topic text NOT NULL,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    source_index integer NOT NULL,
    source_ordinal bigint,
    source_timestamp_ms bigint,
    schema_version integer NOT NULL,
    reducer_version integer NOT NULL,
    PRIMARY KEY (thread_id, turn_id)
);
CREATE INDEX thread_turns_by_ordinal ON thread_turns (thread_id, turn_ordinal);

CREATE TABLE thread_lifecycle (
    thread_id text COLLATE "C" NOT NULL,
    lifecycle_ordinal bigint NOT NULL,
    event_type text NOT NULL,
    turn_id text COLLATE "C",
    payload jsonb NOT NULL,
    generation bigint NOT NULL,
    sequence bigint NOT NULL,
    topic_sequence bigint NOT NULL,
    source_topic text NOT NULL,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    source_index integer NOT NULL,
    source_ordinal bigint,
    source_timestamp_ms bigint,
    schema_version integer NOT NULL,
    reducer_version integer NOT NULL,
    PRIMARY KEY (thread_id, lifecycle_ordinal)
);
