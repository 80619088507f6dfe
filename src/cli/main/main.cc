#include "cli/app.h"

int main(int argc, char** argv) { return inlet::cli::run_app(argc, argv); }
