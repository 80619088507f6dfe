# Everything that is not ours. System packages and fetched artefacts are put in place by scripts/setup.sh.
include(GoogleTest)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(simdjson REQUIRED)
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
pkg_check_modules(LIBARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(LIBEDIT REQUIRED IMPORTED_TARGET libedit)
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus)
if(INLET_TESTS)
  find_package(GTest REQUIRED)
endif()

# DuckDB: the fetched pair of header and library, or an installed one through -DINLET_DUCKDB_DIR=/usr.
find_path(DUCKDB_INCLUDE_DIR duckdb.h HINTS "${INLET_DUCKDB_DIR}" "${INLET_DUCKDB_DIR}/include" NO_DEFAULT_PATH REQUIRED)
find_library(DUCKDB_LIBRARY duckdb HINTS "${INLET_DUCKDB_DIR}" "${INLET_DUCKDB_DIR}/lib"
                                         "${INLET_DUCKDB_DIR}/lib/${CMAKE_LIBRARY_ARCHITECTURE}" NO_DEFAULT_PATH REQUIRED)
add_library(duckdb SHARED IMPORTED)
set_target_properties(duckdb PROPERTIES IMPORTED_LOCATION "${DUCKDB_LIBRARY}" IMPORTED_NO_SONAME OFF
                                        INTERFACE_INCLUDE_DIRECTORIES "${DUCKDB_INCLUDE_DIR}")

# delta_shim: Rust, compiled by cargo outside the build folder, so that every preset and a fresh build folder share the
# crates; cargo is asked at every build, and the copy here changes only with its content.
set(DELTA_SHIM_LIBRARY "${CMAKE_BINARY_DIR}/libdelta_shim.a")
add_custom_target(
  delta_shim_build
  COMMAND "${CMAKE_SOURCE_DIR}/scripts/build-shim.sh" "${INLET_CACHE}/cargo-target" "${DELTA_SHIM_LIBRARY}"
  BYPRODUCTS "${DELTA_SHIM_LIBRARY}"
  COMMENT "delta_shim (cargo)"
  USES_TERMINAL VERBATIM)
add_library(delta_shim STATIC IMPORTED)
set_target_properties(delta_shim PROPERTIES IMPORTED_LOCATION "${DELTA_SHIM_LIBRARY}"
                                            INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_SOURCE_DIR}/delta_shim/include")
target_link_libraries(delta_shim INTERFACE Threads::Threads dl m)
add_dependencies(delta_shim delta_shim_build)
