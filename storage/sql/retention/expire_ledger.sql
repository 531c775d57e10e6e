DELETE FROM ledger_default WHERE last < :before
