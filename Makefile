# Thin names for what `cargo xtask` does.
.PHONY: build test package verify

build:
	cargo xtask build

test:
	cargo xtask test

package:
	cargo xtask package

verify:
	packaging/scripts/verify_artifacts.sh dist/packages
