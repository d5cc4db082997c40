"""Pages and the HTTP interface. What they show and do is the desk's."""
