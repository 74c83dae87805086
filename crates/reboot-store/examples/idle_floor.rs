//! The smallest resident tokio program: a current-thread runtime with time and I/O that waits
//! until it is killed. `cargo xtask bench` shows the idle daemon beside it.

use std::io::Write;

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    println!("ready");
    std::io::stdout().flush()?;
    runtime.block_on(std::future::pending())
}
