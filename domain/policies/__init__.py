"""What a job's service decides beforehand, each a pure function of what is given."""
