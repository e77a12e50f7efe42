-- What the outside was told, or has to be told yet: one row for each fact that is told. It only
-- says where to look: who sends must first win the claim in the log, so a late row sends nothing
-- twice.

create table notices (
    post_id uuid not null,
    seq bigint not null,
    tenant text not null,
    event text not null,
    attempt int not null,
    state text not null,
    due_at timestamptz,
    changed_seq bigint not null,
    primary key (post_id, seq)
);
create index notices_due on notices (tenant, due_at) where due_at is not null;
comment on column notices.seq is 'sequence of the fact that is told';
comment on column notices.attempt is 'the last attempt that began; 0 when there was none';
comment on column notices.state is 'waiting, sending, delivered, given_up or skipped';
