-- What a deleted post has said is taken out of the log and the media store; what is left to do is a
-- question to this table, so no crash forgets it.

alter table posts add column erased_at timestamptz;
create index posts_to_erase on posts (seq) where deleted and erased_at is null;
comment on column posts.erased_at is 'when nothing was left of what a deleted post had said';
