"""Jobs, their calendars, backfills and ledgers, as rows."""
