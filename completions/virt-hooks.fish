# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_virt_hooks_global_optspecs
    string join \n root= h/help V/version
end

function __fish_virt_hooks_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_virt_hooks_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_virt_hooks_using_subcommand
    set -l cmd (__fish_virt_hooks_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -s V -l version -d 'Print version'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "install" -d 'Put the hook in place, keep what is there, and have libvirt take notice'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "uninstall" -d 'Take the hook out, and put back what was there before'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "check" -d 'Tell everything that keeps a script from running, and what mends it'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "list" -d 'Show which scripts run, in which order, and why the others don\'t'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "run" -d 'Do what the hook does at an event, without libvirt, and show it'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "log" -d 'Show what ran'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "new" -d 'Make a new script with the right name, mode and skeleton'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "get" -d 'For scripts: take something out of the VM\'s XML'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "network" -d 'Forwards and routes that are declared for VMs: show them, make them so'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "status" -d 'Show the hook, the scripts that run now, recent failures and networking on one screen'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "stop" -d 'End a script that runs, as at its deadline'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "import" -d 'Take over what another hook\'s users have'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "pause" -d 'Run no script until told'
complete -c virt-hooks -n "__fish_virt_hooks_needs_command" -f -a "resume" -d 'Run scripts again'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand install" -l drivers -d 'Install the hooks of these libvirt drivers as well, such as network,lxc. Those that are installed are updated' -r -f -a "qemu\t''
network\t''
lxc\t''
libxl\t''
daemon\t''"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand install" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand install" -l replace -d 'Replace a hook that is somebody else\'s; it is kept as a backup'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand install" -l keep-existing -d 'Keep a hook that is somebody else\'s: this one calls it after all scripts, under its old name'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand install" -l beside -d 'Leave a hook that is somebody else\'s as it is: this one goes to qemu.d, where libvirt 6.5 and newer call it after that'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand install" -l dry-run -d 'Only tell what would be done'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand install" -l packaged -d 'As packages call it: leave the hook out if `uninstall` has taken it out, and wait for another installation to end'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand install" -l only-over-cloudstack -d 'Do nothing unless CloudStack\'s own hook has taken the place of this one'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand install" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand uninstall" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand uninstall" -l dry-run -d 'Only tell what would be done'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand uninstall" -l packaged -d 'As packages call it when they are removed: don\'t note that the hook was taken out, and wait for another installation to end'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand uninstall" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand check" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand check" -l json -d 'As a JSON array of {severity, subject, message, remedy}'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand check" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand list" -l driver -d 'Of this libvirt driver' -r -f -a "qemu\t''
network\t''
lxc\t''
libxl\t''
daemon\t''"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand list" -l domain -d 'Only what is for this VM' -r -f
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand list" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand list" -l json -d 'As a JSON array'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand list" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand run" -l driver -d 'The libvirt driver whose hook is tried' -r -f -a "qemu\t''
network\t''
lxc\t''
libxl\t''
daemon\t''"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand run" -l xml -d 'The VM\'s XML, as the scripts get it on stdin; - reads it from here' -r -F
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand run" -l sub-operation -d 'The third argument of the scripts; libvirt\'s own for the operation if it is not given' -r -f
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand run" -l extra -d 'The fourth argument of the scripts; libvirt\'s own for the operation if it is not given' -r -f
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand run" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand run" -l dry-run -d 'Only show what would run, in which order and with which settings'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand run" -l json -d 'With --dry-run: as a JSON array, like that of list'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand run" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -l domain -d 'Only records of VMs whose name matches this pattern (* ? [...])' -r -f
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -l driver -d 'Only records of this libvirt driver' -r -f -a "qemu\t''
network\t''
lxc\t''
libxl\t''
daemon\t''"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -l script -d 'Only records of scripts whose file name, or name with the VM\'s folder such as my-vm/start_a, matches this pattern' -r -f
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -l operation -d 'Only records of this operation' -r -f -a "prepare\t''
start\t''
started\t''
stopped\t''
release\t''
migrate\t''
restore\t''
reconnect\t''
attach\t''
port-created\t''
port-deleted\t''
updated\t''
shutdown\t''
reload\t''"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -l since -d 'Not older than this: 90s, 15m, 1h, 7d, or a time such as 14:22 (its last occurrence), 2026-11-22 or 2026-11-22T14:22:44' -r -f
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -l until -d 'Not newer than this; a date means its end' -r -f
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -s n -l lines -d 'Only the last COUNT records; with --timeline, events' -r -f
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -l failed -d 'Only runs that failed, with all their records from start to end; with --timeline, events with such runs'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -s f -l follow -d 'Keep showing new records, after the last 10 or as many as -n says'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -l timeline -d 'Draw each event\'s scripts as bars over its time, and mark the slowest'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -l stats -d 'Count the runs of each script, those that failed or timed out, and how long they took; runs by hand don\'t count'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -l json -d 'Print JSON, an object a line; with --stats an array'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand log" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand new" -l driver -d 'For this libvirt driver, in its folder of scripts' -r -f -a "qemu\t''
network\t''
lxc\t''
libxl\t''
daemon\t''"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand new" -l domain -d 'For this VM only, in its own folder' -r -f
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand new" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand new" -l python -d 'In Python instead of bash'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand new" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand get" -l xml -d 'Of this file\'s XML; - is stdin, even where the live XML would be read' -r -F
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand get" -l domain -d 'Of this VM\'s live XML' -r -f
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand get" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand get" -l live -d 'Of the live XML of the event\'s VM, whatever is on stdin'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand get" -l json -d 'As JSON: a text, an array of texts, or for interfaces an array of objects'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and not __fish_seen_subcommand_from status apply check" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and not __fish_seen_subcommand_from status apply check" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and not __fish_seen_subcommand_from status apply check" -f -a "status" -d 'Show what is declared, what is there, what is missing, and what is somebody else\'s'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and not __fish_seen_subcommand_from status apply check" -f -a "apply" -d 'Make the host as declared, for all VMs that run'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and not __fish_seen_subcommand_from status apply check" -f -a "check" -d 'Tell what keeps declared forwards and routes from working, and what mends it'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and __fish_seen_subcommand_from status" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and __fish_seen_subcommand_from status" -l json -d 'As a JSON array of {domain, kind, what, state, reason, connections, source}'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and __fish_seen_subcommand_from apply" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and __fish_seen_subcommand_from apply" -s q -l quiet -d 'Tell only what went wrong'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and __fish_seen_subcommand_from apply" -l watch -d 'Go on, and do so again after every change of the firewall'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and __fish_seen_subcommand_from check" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and __fish_seen_subcommand_from check" -l json -d 'As a JSON array of {severity, subject, message, remedy}'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand network; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand status" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand status" -l json -d 'As a JSON object {ok, hook, running, failed, network}'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand status" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand stop" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand stop" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand import; and not __fish_seen_subcommand_from vfio-tools libvirt-hook-qemu" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand import; and not __fish_seen_subcommand_from vfio-tools libvirt-hook-qemu" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand import; and not __fish_seen_subcommand_from vfio-tools libvirt-hook-qemu" -f -a "vfio-tools" -d 'Show how a tree of scripts of VFIO-Tools\' helper goes into custom/; with --write, do it'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand import; and not __fish_seen_subcommand_from vfio-tools libvirt-hook-qemu" -f -a "libvirt-hook-qemu" -d 'Turn hooks.json of libvirt-hook-qemu into declarations, and print them'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand import; and __fish_seen_subcommand_from vfio-tools" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand import; and __fish_seen_subcommand_from vfio-tools" -l write -d 'Carry the plan out'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand import; and __fish_seen_subcommand_from vfio-tools" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand import; and __fish_seen_subcommand_from libvirt-hook-qemu" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand import; and __fish_seen_subcommand_from libvirt-hook-qemu" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand pause" -l for -d 'How long: 90s, 15m, 1h, 1d' -r -f
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand pause" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand pause" -s h -l help -d 'Print help'
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand resume" -l root -d 'Take every place under this folder instead of the host\'s own: for images, trials and tests' -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand resume" -s h -l help -d 'Print help'
complete -c virt-hooks -f
complete -c virt-hooks -l root -r -f -a "(__fish_complete_directories)"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand list; and not __fish_seen_subcommand_from prepare start started stopped release migrate restore reconnect attach port-created port-deleted updated shutdown reload" -a "prepare start started stopped release migrate restore reconnect attach port-created port-deleted updated shutdown reload"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand run; and not __fish_seen_subcommand_from prepare start started stopped release migrate restore reconnect attach port-created port-deleted updated shutdown reload" -a "prepare start started stopped release migrate restore reconnect attach port-created port-deleted updated shutdown reload"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand new; and not __fish_seen_subcommand_from prepare start started stopped release migrate restore reconnect attach port-created port-deleted updated shutdown reload all" -a "prepare start started stopped release migrate restore reconnect attach port-created port-deleted updated shutdown reload all"
complete -c virt-hooks -n "__fish_virt_hooks_using_subcommand get; and not __fish_seen_subcommand_from name uuid macs bridges taps owner interfaces" -a "name uuid macs bridges taps owner interfaces"
