-- What a ticket's status comes from, as lists show and filter it: a record's kind, and whose word it is where it is called
-- otherwise for that (domain/statement.py, event_of): announcement_accepted, announcement_accepted.relay.

-- It follows from the records: the last one that is shown under the status. Records are canonical JSON, in which a quotation mark
-- within a text is written \": what is looked for here can be a member alone.
create function status_event_of(ticket uuid, status smallint) returns text language sql stable as $$
    select r.kind || case
        when r.kind in ('announcement_failed', 'reminder_failed', 'content_failed')
            and position('"bounce":{'::bytea in r.octets) > 0 then '.bounce'
        when r.kind in ('announcement_accepted', 'reminder_accepted', 'content_delivered')
            and position('"by":"relay"'::bytea in r.octets) > 0 then '.relay'
        when r.kind in ('announcement_opened', 'accepted', 'refused')
            and position('"automation":["'::bytea in r.octets) > 0 then '.program'
        else '' end
    from records r join (values
        (10, 'submitted'), (20, 'announcement_offered'), (25, 'announcement_uncertain'), (25, 'reminder_uncertain'),
        (30, 'announcement_accepted'), (30, 'announcement_delivered'), (35, 'announcement_delayed'), (35, 'reminder_delayed'),
        (40, 'announcement_failed'), (50, 'announcement_opened'), (70, 'accepted'), (75, 'content_offered'),
        (76, 'content_delayed'), (76, 'content_uncertain'), (80, 'content_delivered'), (80, 'content_downloaded'),
        (81, 'content_failed'), (90, 'refused'), (92, 'expired'), (93, 'withdrawn'), (95, 'reminder_offered'),
        (96, 'reminder_accepted'), (96, 'reminder_delivered'), (97, 'reminder_failed'), (98, 'content_erased')
    ) as shown(code, kind) on shown.kind = r.kind
    where r.ticket_id = ticket and shown.code = status order by r.seq desc limit 1
$$;

alter table tickets add column status_event text not null default 'submitted';
update tickets set status_event = coalesce(status_event_of(id, status), 'submitted') where status <> 10;

-- Processes of the version before go on writing the status alone: then the database says what it comes from. Those of this
-- version write both, so that it has nothing to do for them.
create function tell_status_event() returns trigger language plpgsql as $$
begin new.status_event := coalesce(status_event_of(new.id, new.status), 'submitted'); return new; end
$$;
create trigger tickets_status_event before update of status on tickets for each row
    when (new.status <> old.status and new.status_event = old.status_event) execute function tell_status_event();

create index tickets_status_event on tickets (account_id, status_event, id);
