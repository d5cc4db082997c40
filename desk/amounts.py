"""Amounts as a printout has them, Russian and English."""

from __future__ import annotations

from datetime import timedelta


def seconds(span: timedelta, language: str) -> str:
    """A span in seconds; empty where it is next to nothing."""
    if span < timedelta(milliseconds=50):
        return ""
    told = f"{span.total_seconds():.1f}"
    return f"{told.replace('.', ',')}\u00a0с" if language == "ru" else f"{told}\u00a0s"


def size(octets: int, language: str) -> str:
    """A size in kilobytes or megabytes."""
    units = ("КБ", "МБ") if language == "ru" else ("KB", "MB")
    amount, unit = (octets / 1000, units[0]) if octets < 1_000_000 else (octets / 1_000_000, units[1])
    told = f"{amount:.0f}" if amount >= 10 else f"{amount:.1f}"
    return f"{told.replace('.', ',') if language == 'ru' else told}\u00a0{unit}"
