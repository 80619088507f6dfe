# One static library per directory of src/, one test program per directory of tests/, both warned about alike.

# -Wno-restrict: g++ 12 warns falsely inside std::string (GCC bug 105651).
add_library(inlet_flags INTERFACE)
target_compile_options(inlet_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wconversion -Wno-sign-conversion
                                             -Wno-missing-field-initializers -Wno-restrict -Werror)
target_link_options(inlet_flags INTERFACE "-Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/no_exports.map")
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(inlet_flags INTERFACE -g1 -fno-omit-frame-pointer)
endif()
target_compile_definitions(inlet_flags INTERFACE INLET_VERSION="${PROJECT_VERSION}")
if(INLET_SANITIZE)
  target_compile_options(inlet_flags INTERFACE -fsanitize=${INLET_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(inlet_flags INTERFACE -fsanitize=${INLET_SANITIZE})
  # g++ 12 loses track of std::optional's flag between the sanitizer's checks.
  target_compile_options(inlet_flags INTERFACE -Wno-maybe-uninitialized)
  if(INLET_SANITIZE STREQUAL "thread")
    # Boost.Asio has fences, which the sanitizer does not see; what they order is ordered by its mutexes too.
    target_compile_options(inlet_flags INTERFACE -Wno-tsan)
  endif()
endif()
if(INLET_FAULT_POINTS)
  target_compile_definitions(inlet_flags INTERFACE INLET_FAULT_POINTS)
endif()

# inlet_library(NAME DEPS...): the static library inlet_NAME of every .cc in the calling directory.
# Dependencies are other stages by their short name, or third-party targets.
function(inlet_library name)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  if(NOT sources)
    set(sources "${CMAKE_SOURCE_DIR}/cmake/empty.cc")
  endif()
  add_library(inlet_${name} STATIC ${sources})
  target_include_directories(inlet_${name} PUBLIC "${CMAKE_SOURCE_DIR}/src")
  target_link_libraries(inlet_${name} PRIVATE inlet_flags)
  foreach(dep ${ARGN})
    if(EXISTS "${CMAKE_SOURCE_DIR}/src/${dep}/CMakeLists.txt")
      target_link_libraries(inlet_${name} PUBLIC inlet_${dep})
    else()
      target_link_libraries(inlet_${name} PUBLIC ${dep})
    endif()
  endforeach()
endfunction()

# Every test program, for a build that wants those only.
add_custom_target(test_programs)

# inlet_tests(NAME DEPS...): the program NAME_tests of every .cc in the calling directory, known to ctest case by case
# with the label NAME. Suites named *Broker* (they start a Kafka broker) and *Slow* have the label "broker" or "slow"
# instead, which the sanitizer runs leave out. Cases named DISABLED_ are for tests to start in a process of their own. A hung
# test is ended after two minutes.
function(inlet_tests name)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_tests ${sources})
  target_include_directories(${name}_tests PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name}_tests PRIVATE inlet_flags GTest::gtest GTest::gtest_main)
  foreach(dep ${ARGN})
    target_link_libraries(${name}_tests PRIVATE inlet_${dep})
  endforeach()
  add_dependencies(test_programs ${name}_tests)
  discover_inlet_tests(${name} "-*Broker*.*:*Slow*.*:*.DISABLED_*" ${name})
  discover_inlet_tests(${name} "*Broker*.*" broker)
  discover_inlet_tests(${name} "*Slow*.*-*Broker*.*" slow)
endfunction()

function(discover_inlet_tests name filter label)
  gtest_discover_tests(${name}_tests TEST_PREFIX "${name}." TEST_FILTER "${filter}" TEST_LIST ${name}_${label}_list
                       PROPERTIES LABELS ${label} TIMEOUT 120
                       DISCOVERY_TIMEOUT 60 DISCOVERY_MODE PRE_TEST)
endfunction()
