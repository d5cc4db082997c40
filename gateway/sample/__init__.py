"""What `otklik demo` shows: an invented organisation and settings to go with it."""
