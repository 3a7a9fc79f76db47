//! The sets that there are.
//!
//! Lengths and sums are those of TensorFlow Datasets (github.com/tensorflow/datasets: `tensorflow_datasets/url_checksums/NAME.txt`,
//! `datasets/kmnist/checksums.tsv`, `structured/wine_quality/checksums.tsv`); names of columns are those of UCI's descriptions.

use super::{Becomes, DataSet, Reads, RemoteFile};

/// All sets, pictures before tables.
pub const CATALOGUE: &[DataSet] = &[
    DataSet {
        name: "mnist",
        about: "70,000 written digits, grey, 28 x 28 pixels",
        licence: "CC BY-SA 3.0",
        home: "http://yann.lecun.com/exdb/mnist",
        reads: Reads::Pictures,
        files: &[
            RemoteFile {
                url: "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
                bytes: 9_912_422,
                sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                becomes: Becomes::Itself("train-images-idx3-ubyte.gz"),
            },
            RemoteFile {
                url: "https://storage.googleapis.com/cvdf-datasets/mnist/train-labels-idx1-ubyte.gz",
                bytes: 28_881,
                sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                becomes: Becomes::Itself("train-labels-idx1-ubyte.gz"),
            },
            RemoteFile {
                url: "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-images-idx3-ubyte.gz",
                bytes: 1_648_877,
                sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                becomes: Becomes::Itself("t10k-images-idx3-ubyte.gz"),
            },
            RemoteFile {
                url: "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-labels-idx1-ubyte.gz",
                bytes: 4_542,
                sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                becomes: Becomes::Itself("t10k-labels-idx1-ubyte.gz"),
            },
        ],
    },
    DataSet {
        name: "fashion-mnist",
        about: "70,000 pieces of clothing of 10 kinds, grey, 28 x 28 pixels",
        licence: "MIT",
        home: "https://github.com/zalandoresearch/fashion-mnist",
        reads: Reads::Pictures,
        files: &[
            RemoteFile {
                url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
                bytes: 26_421_880,
                sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                becomes: Becomes::Itself("train-images-idx3-ubyte.gz"),
            },
            RemoteFile {
                url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-labels-idx1-ubyte.gz",
                bytes: 29_515,
                sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                becomes: Becomes::Itself("train-labels-idx1-ubyte.gz"),
            },
            RemoteFile {
                url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-images-idx3-ubyte.gz",
                bytes: 4_422_102,
                sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                becomes: Becomes::Itself("t10k-images-idx3-ubyte.gz"),
            },
            RemoteFile {
                url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz",
                bytes: 5_148,
                sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                becomes: Becomes::Itself("t10k-labels-idx1-ubyte.gz"),
            },
        ],
    },
    DataSet {
        name: "kmnist",
        about: "70,000 written Japanese characters of 10 kinds, grey, 28 x 28 pixels",
        licence: "CC BY-SA 4.0",
        home: "http://codh.rois.ac.jp/kmnist",
        reads: Reads::Pictures,
        files: &[
            RemoteFile {
                url: "http://codh.rois.ac.jp/kmnist/dataset/kmnist/train-images-idx3-ubyte.gz",
                bytes: 18_165_135,
                sha256: "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
                becomes: Becomes::Itself("train-images-idx3-ubyte.gz"),
            },
            RemoteFile {
                url: "http://codh.rois.ac.jp/kmnist/dataset/kmnist/train-labels-idx1-ubyte.gz",
                bytes: 29_497,
                sha256: "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
                becomes: Becomes::Itself("train-labels-idx1-ubyte.gz"),
            },
            RemoteFile {
                url: "http://codh.rois.ac.jp/kmnist/dataset/kmnist/t10k-images-idx3-ubyte.gz",
                bytes: 3_041_136,
                sha256: "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
                becomes: Becomes::Itself("t10k-images-idx3-ubyte.gz"),
            },
            RemoteFile {
                url: "http://codh.rois.ac.jp/kmnist/dataset/kmnist/t10k-labels-idx1-ubyte.gz",
                bytes: 5_120,
                sha256: "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
                becomes: Becomes::Itself("t10k-labels-idx1-ubyte.gz"),
            },
        ],
    },
    DataSet {
        name: "cifar10",
        about: "60,000 photographs of 10 kinds, in colour, 32 x 32 pixels",
        licence: "none stated",
        home: "https://www.cs.toronto.edu/~kriz/cifar.html",
        reads: Reads::Pictures,
        files: &[RemoteFile {
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            bytes: 170_052_171,
            sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            becomes: Becomes::Cifar { labels: 1, names: "batches.meta.txt" },
        }],
    },
    DataSet {
        name: "cifar100",
        about: "60,000 photographs of 100 kinds, in colour, 32 x 32 pixels",
        licence: "none stated",
        home: "https://www.cs.toronto.edu/~kriz/cifar.html",
        reads: Reads::Pictures,
        files: &[RemoteFile {
            url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            bytes: 168_513_733,
            sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            becomes: Becomes::Cifar { labels: 2, names: "fine_label_names.txt" },
        }],
    },
    DataSet {
        name: "flowers",
        about: "3,670 photographs of 5 kinds of flowers, of many sizes",
        licence: "CC BY 2.0",
        home: "https://www.tensorflow.org/datasets/catalog/tf_flowers",
        reads: Reads::Pictures,
        files: &[RemoteFile {
            url: "http://download.tensorflow.org/example_images/flower_photos.tgz",
            bytes: 228_813_984,
            sha256: "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
            becomes: Becomes::Files {
                inside: "flower_photos",
                takes: &["LICENSE.txt", "daisy", "dandelion", "roses", "sunflowers", "tulips"],
            },
        }],
    },
    DataSet {
        name: "iris",
        about: "150 flowers of 3 kinds, 4 lengths",
        licence: "CC BY 4.0",
        home: "https://archive.ics.uci.edu/dataset/53/iris",
        reads: Reads::Table { file: "iris.csv", target: "species" },
        files: &[RemoteFile {
            url: "https://archive.ics.uci.edu/ml/machine-learning-databases/iris/iris.data",
            bytes: 4_551,
            sha256: "6f608b71a7317216319b4d27b4d9bc84e6abd734eda7872b71a458569e2656c0",
            becomes: Becomes::Rows {
                file: "iris.csv",
                columns: &["sepal length", "sepal width", "petal length", "petal width", "species"],
            },
        }],
    },
    DataSet {
        name: "wine-quality",
        about: "6,497 Portuguese wines, red and white apart: 11 measurements, and what tasters said",
        licence: "CC BY 4.0",
        home: "https://archive.ics.uci.edu/dataset/186/wine+quality",
        reads: Reads::Table { file: "white.csv", target: "quality" },
        files: &[
            RemoteFile {
                url: "https://archive.ics.uci.edu/ml/machine-learning-databases/wine-quality/winequality-red.csv",
                bytes: 84_199,
                sha256: "4a402cf041b025d4566d954c3b9ba8635a3a8a01e039005d97d6a710278cf05e",
                becomes: Becomes::Itself("red.csv"),
            },
            RemoteFile {
                url: "https://archive.ics.uci.edu/ml/machine-learning-databases/wine-quality/winequality-white.csv",
                bytes: 264_426,
                sha256: "76c3f809815c17c07212622f776311faeb31e87610d52c26d87d6e361b169836",
                becomes: Becomes::Itself("white.csv"),
            },
        ],
    },
    DataSet {
        name: "abalone",
        about: "4,177 sea snails: sex, 7 measurements, and the rings that tell their age",
        licence: "CC BY 4.0",
        home: "https://archive.ics.uci.edu/dataset/1/abalone",
        reads: Reads::Table { file: "abalone.csv", target: "rings" },
        files: &[RemoteFile {
            url: "https://archive.ics.uci.edu/ml/machine-learning-databases/abalone/abalone.data",
            bytes: 191_873,
            sha256: "de37cdcdcaaa50c309d514f248f7c2302a5f1f88c168905eba23fe2fbc78449f",
            becomes: Becomes::Rows {
                file: "abalone.csv",
                columns: &[
                    "sex",
                    "length",
                    "diameter",
                    "height",
                    "whole weight",
                    "shucked weight",
                    "viscera weight",
                    "shell weight",
                    "rings",
                ],
            },
        }],
    },
    DataSet {
        name: "adult",
        about: "48,842 people of a census: 14 facts, and whether they earn more than 50,000 dollars",
        licence: "CC BY 4.0",
        home: "https://archive.ics.uci.edu/dataset/2/adult",
        reads: Reads::Table { file: "train.csv", target: "income" },
        files: &[
            RemoteFile {
                url: "https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.data",
                bytes: 3_974_305,
                sha256: "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
                becomes: Becomes::Rows { file: "train.csv", columns: ADULT },
            },
            RemoteFile {
                url: "https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.test",
                bytes: 2_003_153,
                sha256: "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
                becomes: Becomes::Rows { file: "test.csv", columns: ADULT },
            },
        ],
    },
];

const ADULT: &[&str] = &[
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_set_can_be_fetched() {
        let names: BTreeSet<&str> = CATALOGUE.iter().map(|set| set.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        for set in CATALOGUE {
            let made: Vec<&str> = set.files.iter().flat_map(|file| file.becomes.makes()).copied().collect();
            assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), made.len(), "{}", set.name);
            assert!(made.iter().all(|name| !name.starts_with('.') && !name.contains(['/', '\\'])), "{}", set.name);
            if let Reads::Table { file, target } = set.reads {
                assert!(made.contains(&file));
                let columns = set.files.iter().filter_map(|made| match made.becomes {
                    Becomes::Rows { file: name, columns } if name == file => Some(columns),
                    _ => None,
                });
                assert!(columns.into_iter().all(|columns| columns.contains(&target)), "{}", set.name);
            }
            for file in set.files {
                assert!(file.url.starts_with("http://") || file.url.starts_with("https://"), "{}", file.url);
                assert!(file.sha256.len() == 64 && file.bytes > 0, "{}", file.url);
                assert!(file.sha256.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{}", file.url);
            }
        }
    }
}
