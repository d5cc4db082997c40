"""What all pages share: layout, words, dates, icons, and the headers they are sent with."""
