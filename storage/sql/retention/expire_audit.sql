DELETE FROM audit_default WHERE at < :before
