service_id = :service_id AND calendars @> ARRAY[:name::text] AND NOT paused
