# Thin names for what `cargo xtask` does.
.PHONY: build test package verify

build:
	cargo build --release --locked

test:
	cargo xtask test

package:
	cargo xtask package

verify:
	packaging/scripts/verify_artifacts.sh dist/packages
