"""When jobs fire: cron, recurrence rules, clocks that change, and all of it in words."""
