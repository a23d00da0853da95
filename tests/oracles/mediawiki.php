<?php
// Expands calls of templates by MediaWiki itself: a JSON object {templates, redirects, calls} from the standard input,
// a JSON list of wikitext to the standard output. Run by tests/oracles/mediawiki.py.
require_once getenv( 'MW_INSTALL_PATH' ) . '/maintenance/Maintenance.php';

use MediaWiki\MediaWikiServices;

class ExpandCalls extends Maintenance {
	public function execute() {
		$given = json_decode( file_get_contents( 'php://stdin' ), true );
		$templates = $given['templates'];
		$redirects = $given['redirects'];
		$options = ParserOptions::newFromAnon();
		$options->setTemplateCallback( static function ( $title, $parser ) use ( $templates, $redirects ) {
			$name = $title->getText();
			for ( $step = 0; $step < 8 && isset( $redirects[$name] ); $step++ ) {
				$name = $redirects[$name];
			}
			$final = Title::makeTitle( NS_TEMPLATE, $name );
			$text = $title->getNamespace() === NS_TEMPLATE ? ( $templates[$name] ?? false ) : false;
			return [ 'text' => $text, 'finalTitle' => $final, 'deps' => [] ];
		} );
		$page = Title::newFromText( $given['title'] );
		$found = [];
		foreach ( $given['calls'] as $call ) {
			$parser = MediaWikiServices::getInstance()->getParserFactory()->create();
			$found[] = $parser->preprocess( $call, $page, $options );
		}
		echo json_encode( $found, JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE );
	}
}

$maintClass = ExpandCalls::class;
require_once RUN_MAINTENANCE_IF_MAIN;
