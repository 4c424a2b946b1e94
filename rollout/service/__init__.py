"""The service: its doors for people, programs and hosts."""
