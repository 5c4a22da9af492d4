//! A control: what a static Rust program costs that does nothing.

fn main() {}
