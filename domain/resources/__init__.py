"""What clients are answered of jobs; also what is stored of schedules, and cached."""
