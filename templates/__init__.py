"""The texts people receive, as jinja2 data: `outbound/render.py` says which is taken and what they may use."""
