# package.cmake: the Debian package, by ./deploy/package (which sets the prefix to /usr).
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sigpost)
set(CPACK_PACKAGE_CONTACT "The sigpost developers <sigpost@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "gateway for signed OpenTelemetry from desktop programs")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Takes OTLP over HTTP from programs that sign their requests with HMAC-SHA256,
stores it durably before it answers, and carries it on to an OpenTelemetry
Collector and to Prometheus. sigpostctl manages the secrets.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(debian ${PROJECT_SOURCE_DIR}/deploy/debian)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${debian}/conffiles ${debian}/postinst ${debian}/prerm ${debian}/postrm)
set(CPACK_STRIP_FILES ON)
# What goes to /etc is an absolute path; without DESTDIR it would land on the builder's machine.
set(CPACK_SET_DESTDIR ON)
include(CPack)
