-- A call that was cut off may have been charged more than was told. Of calls projected before, the
-- rows do not say it (null, counted as nothing): their facts did not either.

alter table calls add column unconfirmed_usd double precision;
comment on column calls.unconfirmed_usd is 'what a failed call may have cost beyond cost_usd, at most';
