# flags.cmake: how every file of sigpost is compiled. sigpost_library and sigpost_program apply them.

set(SIGPOST_CFLAGS
  -Wall -Wextra -Wformat=2 -Wconversion -Wimplicit-fallthrough -Wshadow -Wmissing-prototypes
  -Werror=format-security -Werror=implicit -Werror=incompatible-pointer-types
  -Werror=int-conversion
  -fno-delete-null-pointer-checks -fno-strict-aliasing -fstack-protector-strong)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  list(APPEND SIGPOST_CFLAGS -ftrivial-auto-var-init=zero -fstack-clash-protection)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND SIGPOST_CFLAGS -fcf-protection=full)
endif()
if(SIGPOST_WERROR)
  list(APPEND SIGPOST_CFLAGS -Werror)
endif()

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed)
if(SIGPOST_SANITIZE)
  add_compile_options(-fsanitize=${SIGPOST_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer -O1 -g)
  add_link_options(-fsanitize=${SIGPOST_SANITIZE})
else()
  # Sanitizers bring their own checks of libc calls; fortify would hide them.
  list(APPEND SIGPOST_CFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")

# The two programs are optimized as a whole, which saves 4 % of the CPU of a request; the tests'
# hundred programs are linked from the same objects the ordinary way (tests/CMakeLists.txt), which
# takes a tenth of the time.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT SIGPOST_SANITIZE)
  list(APPEND SIGPOST_CFLAGS -flto=auto -ffat-lto-objects)
  set(SIGPOST_NO_LINK_TIME_OPTIMIZATION -fno-lto)
endif()

# sigpost_library(name deps...): the static library of the folder that calls it.
function(sigpost_library name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  list(FILTER sources EXCLUDE REGEX "/main\\.c$")
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${SIGPOST_CFLAGS})
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE SIGPOST_VERSION="${PROJECT_VERSION}")
  target_link_libraries(${name} PUBLIC ${ARGN})
endfunction()

# sigpost_program(name source deps...)
function(sigpost_program name source)
  add_executable(${name} ${source})
  target_compile_options(${name} PRIVATE ${SIGPOST_CFLAGS})
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE SIGPOST_VERSION="${PROJECT_VERSION}")
  target_link_libraries(${name} PRIVATE ${ARGN})
endfunction()
