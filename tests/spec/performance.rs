//! `docs/performance.md` has every figure that `make bench` prints, with what it is to reach.

#[test]
fn every_figure_of_the_bench_stands_on_the_page() {
    let page = include_str!("../../docs/performance.md");
    let figures = include_str!("../../benches/figures").lines().filter(|line| !line.starts_with('#'));
    for figure in figures {
        let [name, _unit, reach, best] = figure.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{figure} has not four fields");
        };
        let row = page.lines().find(|line| line.starts_with(&format!("| {name} |")));
        let row = row.unwrap_or_else(|| panic!("{name} is not on the page"));
        let numbers: Vec<f64> = row.split([' ', '+']).filter_map(|word| word.parse().ok()).collect();
        for said in [reach, best] {
            assert!(numbers.contains(&said.parse().unwrap()), "{row} does not say {said}");
        }
    }
}
