"""The steps, in order. A step that was once released is never changed."""
