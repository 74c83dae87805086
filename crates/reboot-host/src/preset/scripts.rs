//! What the presets run: POSIX shell, `$1` is the tool, `$2` and `$3` are where kernels are.

/// Starts a script with what it does when it cannot tell.
macro_rules! script {
    ($body:literal) => {
        concat!(
            "cannot_tell() { echo \"cannot tell: $1\"; kill -TERM $$; }\n",
            "LC_ALL=C; export LC_ALL\n",
            $body
        )
    };
}

/// The exit code 1 also means that the tool failed, so its words decide.
pub(super) const NEEDS_RESTARTING: &str = script!(
    r#"case $1 in dnf) said=$(dnf needs-restarting -r 2>&1);; *) said=$("$1" -r 2>&1);; esac
code=$?
printf '%s\n' "$said"
case $code:$said in
0:*) exit 0;;
1:*"Reboot is required"*) exit 1;;
*) cannot_tell "$1 ended with exit code $code";;
esac"#
);

/// 102 is ZYPPER_EXIT_INF_REBOOT_NEEDED of zypper(8).
pub(super) const ZYPPER: &str = script!(
    r#""$1" needs-rebooting
code=$?
case $code in
0) exit 0;;
102) exit 1;;
*) cannot_tell "zypper ended with exit code $code";;
esac"#
);

/// The option is made for this.
pub(super) const RPM_OSTREE: &str = script!(
    r#""$1" status --pending-exit-77
code=$?
case $code in
0) exit 0;;
77) exit 1;;
*) cannot_tell "rpm-ostree ended with exit code $code";;
esac"#
);

/// Without a JSON reader: white space is taken out, then one key's value begins or is null.
pub(super) const BOOTC: &str = script!(
    r#"said=$("$1" status --format json) || cannot_tell "bootc ended with exit code $?"
case $(printf '%s' "$said" | tr -d ' \t\n') in
*'"staged":null'*) exit 0;;
*'"staged":{'*) echo "an image is staged"; exit 1;;
*) cannot_tell "bootc does not say whether an image is staged";;
esac"#
);

/// The engine's state of operation.
pub(super) const FLATCAR: &str = script!(
    r#"said=$("$1" -status) || cannot_tell "update_engine_client ended with exit code $?"
printf '%s\n' "$said"
case $said in
*UPDATE_STATUS_UPDATED_NEED_REBOOT*) exit 1;;
*CURRENT_OP=UPDATE_STATUS_*) exit 0;;
*) cannot_tell "update_engine_client does not say its state";;
esac"#
);

/// Kernels are told by their files, not by module directories that removed kernels leave behind.
/// The flavour is what remains of a release without its numbers: another flavour is not an
/// update.
pub(super) const KERNEL: &str = script!(
    r#"running=$("$1" -r) || cannot_tell "uname does not say the running kernel"
flavour() { printf '%s\n' "$1" | tr -d '0-9._+~-'; }
mine=$(flavour "$running")
installed=$(
for file in "$2"/vmlinuz-[0-9]* "$3"/*/vmlinuz; do
test -e "$file" || continue
release=${file##*/vmlinuz-}
test "$release" = "$file" && release=${file%/vmlinuz} && release=${release##*/}
test "$(flavour "$release")" = "$mine" && printf '%s\n' "$release"
done
)
test -n "$installed" || cannot_tell "no kernel like $running in $2 or $3"
newest=$(printf '%s\n%s\n' "$running" "$installed" | sort -V | tail -n 1)
echo "running $running, newest $newest"
test "$newest" = "$running""#
);
