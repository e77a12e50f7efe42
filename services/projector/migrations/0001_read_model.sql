-- The read model: a function of the log. No constraint here can be broken by a valid log, so
-- nothing but keys is unique and whatever a deleted or damaged post lacks may be null.
-- A post's row changes with each of its facts: room on the page, and no index over what always
-- changes (updated_at, seq), keep such a change in place.

create table posts (
    id uuid primary key,
    tenant text not null,
    seq bigint not null,
    n int not null,
    slug text,
    topic text,
    profile_id uuid,
    current_stage text not null,
    waits_for text not null,
    due_at timestamptz,
    state jsonb not null,
    config jsonb,
    behind boolean not null default false,
    created_at timestamptz,
    updated_at timestamptz,
    completed_at timestamptz,
    deleted boolean not null default false
) with (fillfactor = 75);
create index posts_newest on posts (tenant, created_at desc, id);
create index posts_by_profile on posts (profile_id, slug);
create index posts_waiting on posts (tenant, waits_for) where waits_for <> '';
create index posts_due on posts (due_at) where due_at is not null;
comment on column posts.seq is 'sequence of the last flow fact folded into this row';
comment on column posts.behind is 'a fact of this post could not be projected: trust the log instead';

create table contents (
    post_id uuid not null,
    stage text not null,
    seq bigint not null,
    text text not null,
    sources jsonb not null default '[]',
    primary key (post_id, stage)
);
-- Articles are read far less often than written: compressing them costs more than it saves.
alter table contents alter column text set storage external;

create table entries (
    seq bigint primary key,
    post_id uuid not null,
    tenant text not null,
    ts timestamptz not null,
    stage text not null,
    level text not null,
    event text not null,
    message text not null,
    data jsonb not null
);
create index entries_of_post on entries (post_id, seq);

create table calls (
    post_id uuid not null,
    stage text not null,
    run bigint not null,
    key text not null,
    attempt int not null,
    provider text,
    model text,
    outcome text not null,
    worst_case_usd float8,
    cost_usd float8,
    tokens_in bigint,
    tokens_out bigint,
    cache_read bigint,
    tokens_image bigint,
    duration_s float8,
    code text,
    started_at timestamptz,
    ended_at timestamptz,
    started_seq bigint,
    ended_seq bigint,
    primary key (post_id, stage, run, key, attempt)
);

create table position (
    "only" boolean primary key default true check ("only"),
    seq bigint not null,
    identity text not null,
    digest text not null
);
comment on table position is 'how far the log is projected; moves in the transaction of the rows';

create table quarantine (
    seq bigint primary key,
    post_id uuid,
    subject text not null,
    problem text not null,
    data bytea not null,
    stored_at timestamptz
);
create index quarantine_of_post on quarantine (post_id);
