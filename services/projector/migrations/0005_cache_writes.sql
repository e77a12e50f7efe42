-- Writing to a provider's cache costs more than plain input: how much of a call's input that was.
-- Of calls projected before, the rows do not say it (null, counted as nothing); their cost has
-- included it all along.

alter table calls add column cache_write bigint, add column cache_write_1h bigint;
comment on column calls.cache_write is 'tokens written to a cache for five minutes';
comment on column calls.cache_write_1h is 'tokens written to a cache for an hour';
