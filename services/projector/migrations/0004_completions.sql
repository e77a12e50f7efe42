-- When each stage last completed a run is asked for every second by whoever watches the workers.

create index entries_of_completions on entries (tenant, stage, seq) where event = 'stage_complete';
