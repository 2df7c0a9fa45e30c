//! The rooms: what a script sees.
