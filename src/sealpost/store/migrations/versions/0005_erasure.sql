-- Erasure: the keys of a ticket's content are destroyed some days after its end; names and proofs stay.

alter table accounts add column keep_days int not null default 30 check (keep_days > 0)  -- after a ticket's end
;

alter table tickets add column erased_at timestamptz     -- when its content was erased; null: not yet
;
create index tickets_unerased on tickets (account_id, decided_at) where decided_at is not null and erased_at is null;
