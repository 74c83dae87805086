//! House automation.

fn main() {}
