# manual.cmake: manual pages and the completion for bash, printed by the programs that were just
# built: they say what these do. Also `--target manual`.
set(manual_dir ${PROJECT_BINARY_DIR}/manual)
file(MAKE_DIRECTORY ${manual_dir})

# sigpost_printed(file program option)
function(sigpost_printed file program option)
  add_custom_command(OUTPUT ${manual_dir}/${file}
    COMMAND ${program} ${option} > ${file}.new
    COMMAND ${CMAKE_COMMAND} -E rename ${file}.new ${file}
    DEPENDS ${program} WORKING_DIRECTORY ${manual_dir} VERBATIM)
endfunction()

sigpost_printed(sigpost.8 sigpost --print-manual)
sigpost_printed(sigpostctl.1 sigpostctl --print-manual)
sigpost_printed(sigpost.cfg.5 sigpostctl --print-config-manual)
sigpost_printed(sigpostctl.bash sigpostctl --print-completion)
add_custom_target(manual ALL DEPENDS ${manual_dir}/sigpost.8 ${manual_dir}/sigpostctl.1
                                     ${manual_dir}/sigpost.cfg.5 ${manual_dir}/sigpostctl.bash)

install(FILES ${manual_dir}/sigpostctl.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${manual_dir}/sigpost.cfg.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES ${manual_dir}/sigpost.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${manual_dir}/sigpostctl.bash RENAME sigpostctl
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
